// Reads every view of schema segmentation with node-postgres: a line "view column kind sum" for each column, as read_views.py and read_views.R.
// kind is what the client makes of the values that are not NULL: number, text, boolean, time, or what else it is. sum: of numbers.
const { Client } = require('pg');

const kindOf = (value) =>
  typeof value === 'string' ? 'text' : value instanceof Date ? 'time' : typeof value; // number and boolean are called so

async function main() {
  const client = new Client(); // by PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE
  await client.connect();
  for (const view of process.argv.slice(2)) {
    const result = await client.query(`SELECT * FROM segmentation.${view}`);
    for (const { name } of result.fields) {
      const values = result.rows.map((row) => row[name]).filter((value) => value !== null);
      const kinds = [...new Set(values.map(kindOf))].join('+') || 'none';
      const sum = kinds === 'number' ? values.reduce((a, b) => a + b, 0) : values.length;
      console.log(view, name, kinds, sum.toPrecision(10));
    }
  }
  await client.end();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
