// What node-oracledb in its Thin mode sees of a database, as JSON: node node_client.js DSN USER PASSWORD
"use strict";
const oracledb = require("oracledb");
const [connectString, user, password] = process.argv.slice(2);

const INSERT = "INSERT INTO node_rows (tag, num, ts) VALUES (:1, :2, :3)";
const BIND_DEFS = [
  { type: oracledb.DB_TYPE_VARCHAR, maxSize: 400 },
  { type: oracledb.DB_TYPE_NUMBER },
  { type: oracledb.DB_TYPE_TIMESTAMP },
];
const MOMENT = new Date(Date.UTC(2026, 0, 1, 12, 0, 0, 250));

async function errorOf(call) {
  try {
    await call();
  } catch (error) {
    return error.code;
  }
  return null;
}

async function main() {
  const seen = { client: oracledb.versionString, thin: oracledb.thin };
  seen.wrongPassword = await errorOf(() => oracledb.getConnection({ connectString, user, password: password + "x" }));
  const connection = await oracledb.getConnection({ connectString, user, password });
  seen.server = connection.oracleServerVersionString;
  await connection.execute("ALTER SESSION SET TIME_ZONE = '+00:00'");
  await connection.execute(
    "CREATE TABLE node_rows (tag VARCHAR2(20) NOT NULL, num NUMBER(5,2), ts TIMESTAMP(6), PRIMARY KEY (tag))");
  const rows = [
    ["가나다", 1.5, MOMENT], ["b", 2, null], ["b", 3, MOMENT], ["c", 1000, MOMENT], [null, 4, MOMENT],
    ["x".repeat(21), 5, MOMENT], ["d", null, MOMENT],
  ];
  const options = { batchErrors: true, dmlRowCounts: true, bindDefs: BIND_DEFS };
  const many = await connection.executeMany(INSERT, rows, options);
  seen.batchErrors = many.batchErrors.map((error) => [error.offset, error.message.slice(0, 9)]).sort((a, b) => a[0] - b[0]);
  seen.rowCounts = many.dmlRowCounts;
  seen.rowsAffected = many.rowsAffected;
  const again = await connection.executeMany(INSERT, [["e", 6, MOMENT], ["f", 7, MOMENT]], options);
  seen.noBatchErrors = again.batchErrors === undefined || again.batchErrors.length === 0;

  const other = await oracledb.getConnection({ connectString, user, password });
  const count = async () => (await other.execute("SELECT COUNT(*) FROM node_rows")).rows[0][0];
  seen.before = await count();
  await connection.commit();
  seen.after = await count();
  const found = await connection.execute("SELECT tag, num, ts FROM node_rows WHERE num < :1 ORDER BY tag", [7],
    { fetchArraySize: 2 });
  seen.rows = found.rows.map(([tag, num, ts]) => [tag, num, ts === null ? null : ts.toISOString()]);
  seen.columns = found.metaData.map((column) => [column.name, column.dbTypeName]);
  seen.duplicate = await errorOf(() => connection.execute(INSERT, ["b", 1, MOMENT]));
  seen.unknownTable = await errorOf(() => connection.execute("SELECT 1 FROM node_missing"));
  await connection.execute("INSERT INTO node_rows (tag) VALUES ('held')");
  other.callTimeout = 500;
  seen.callTimeout = await errorOf(() => other.execute("INSERT INTO node_rows (tag) VALUES ('held')"));
  await connection.rollback();
  other.callTimeout = 0;
  seen.rolledBack = await count();
  await other.execute("INSERT INTO node_rows (tag) VALUES ('own')", [], { autoCommit: true });
  seen.autoCommitted = (await connection.execute("SELECT COUNT(*) FROM node_rows")).rows[0][0];

  const pool = await oracledb.createPool({ connectString, user, password, poolMin: 1, poolMax: 2 });
  const pooled = await pool.getConnection();
  await pooled.ping();
  seen.pooled = (await pooled.execute("SELECT USER FROM dual")).rows[0][0];
  await pooled.close();
  await pool.close(0);
  await other.close();
  await connection.execute("DROP TABLE node_rows PURGE");
  await connection.close();
  console.log(JSON.stringify(seen));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
