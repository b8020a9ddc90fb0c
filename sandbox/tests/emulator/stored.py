"""Buckets and objects for the tests of Cloud Storage: made and read with bare requests."""

from sandbox.core.documents import Json
from sandbox.tests.running import PROJECT, Client, Reply

COLLECTION = f"/storage/v1/b?project={PROJECT}"


class Bucket:
    """One bucket and the requests about it."""

    def __init__(self, client: Client, name: str, **settings: object) -> None:
        self.client, self.name = client, name
        self.path = f"/storage/v1/b/{name}"
        self.uploads = f"/upload/storage/v1/b/{name}/o"
        self.made: Json = client.must("POST", COLLECTION, {"name": name, **settings})

    def put(self, name: str, data: bytes, query: str = "", **headers: str) -> Json:
        """A media upload that must succeed."""
        reply = self.try_put(name, data, query, **headers)
        assert reply.status == 200, reply.content
        return reply.body

    def try_put(self, name: str, data: bytes, query: str = "", **headers: str) -> Reply:
        """A media upload."""
        path = f"{self.uploads}?uploadType=media&name={name}{query}"
        return self.client.call("POST", path, data=data, Content_Type="text/plain", **headers)

    def read(self, name: str, query: str = "", **headers: str) -> bytes:
        """An object's bytes."""
        reply = self.client.call("GET", f"{self.path}/o/{name}?alt=media{query}", data=None, **headers)
        assert reply.status in (200, 206), reply.content
        return reply.content

    def names(self, query: str = "") -> list[str]:
        """What a listing holds: objects, then prefixes."""
        page = self.client.get(f"{self.path}/o?{query}")
        prefixes: list[str] = page.get("prefixes", [])
        return [item["name"] for item in page.get("items", [])] + prefixes

    def patch(self, **settings: object) -> Json:
        """Change settings."""
        return self.client.must("PATCH", self.path, settings)
