"""The emulated APIs over HTTP, as any client meets them."""
