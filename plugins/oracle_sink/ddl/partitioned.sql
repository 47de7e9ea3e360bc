-- A partition a day, made by the database as rows come; recommended for volume. Needs the Partitioning
-- option (part of the Free and the Express edition). Days that nobody needs are dropped in no time:
--   ALTER TABLE TAG_DATA DROP PARTITION FOR (TIMESTAMP '2026-03-01 00:00:00');
--
-- The account of the agent then needs: GRANT SELECT, INSERT ON TAG_DATA TO <account>; (UPDATE too with
-- on_conflict: update)
CREATE TABLE "TAG_DATA" (
    "TAG_NAME" VARCHAR2(100 CHAR) NOT NULL,
    "TAG_VALUE" VARCHAR2(255 CHAR) NOT NULL,
    "TIMESTAMP" TIMESTAMP(6) NOT NULL,
    "QUALITY" VARCHAR2(20) NOT NULL,
    CONSTRAINT "PK_TAG_DATA" PRIMARY KEY ("TAG_NAME", "TIMESTAMP") USING INDEX LOCAL
)
PARTITION BY RANGE ("TIMESTAMP") INTERVAL (NUMTODSINTERVAL(1, 'DAY'))
(PARTITION p_first VALUES LESS THAN (TIMESTAMP '2026-01-01 00:00:00'));
CREATE INDEX "IX_TAG_DATA_TIME" ON "TAG_DATA" ("TIMESTAMP") LOCAL;
