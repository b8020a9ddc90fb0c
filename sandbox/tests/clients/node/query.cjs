// One session of Google's Node connector with node-postgres: instructions as JSON on standard input, rows or the error
// as JSON on standard output. Node finds the packages by NODE_PATH, in the folder that test_node_connector.py fills.

const { Connector } = require("@google-cloud/cloud-sql-connector");
const { Client } = require("pg");

async function run({ name, endpoint, authType, ipType, login, queries }) {
  const connector = new Connector({ sqlAdminAPIEndpoint: endpoint ?? undefined });
  const options = await connector.getOptions({ instanceConnectionName: name, authType, ipType });
  const client = new Client({ ...options, ...login });
  try {
    await client.connect();
    const rows = [];
    for (const query of queries) {
      rows.push((await client.query({ text: query, rowMode: "array" })).rows);
    }
    await client.end();
    return { rows };
  } finally {
    connector.close();
  }
}

async function main() {
  let given = "";
  for await (const chunk of process.stdin) {
    given += chunk;
  }
  try {
    return await run(JSON.parse(given));
  } catch (error) {
    return { error: { message: error.message, code: error.code ?? null } };
  }
}

main().then((outcome) => process.stdout.write(JSON.stringify(outcome), () => process.exit(0)));
