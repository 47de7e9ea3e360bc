-- One partition per day, created by the database as rows arrive; recommended for large volumes. Needs the Partitioning
-- option (included in the Free and Express editions). Days that are no longer needed are dropped in an instant:
--   ALTER TABLE TAG_DATA DROP PARTITION FOR (TIMESTAMP '2026-03-01 00:00:00');
--
-- The agent's account then needs: GRANT SELECT, INSERT ON TAG_DATA TO <account>; (also UPDATE with
-- on_conflict: update)
--
-- Numbers go into VALUE_NUMBER and texts into TAG_VALUE with this in the configuration of the sink (without it, all values
-- are text in TAG_VALUE):
--   columns: {TAG_NAME: name, VALUE_NUMBER: value_number, TAG_VALUE: value_text, TIMESTAMP: timestamp, QUALITY: quality}
CREATE TABLE "TAG_DATA" (
    "TAG_NAME" VARCHAR2(100 CHAR) NOT NULL,
    "VALUE_NUMBER" BINARY_DOUBLE,
    "TAG_VALUE" VARCHAR2(255 CHAR),
    "TIMESTAMP" TIMESTAMP(6) NOT NULL,
    "QUALITY" VARCHAR2(20) NOT NULL,
    CONSTRAINT "PK_TAG_DATA" PRIMARY KEY ("TAG_NAME", "TIMESTAMP") USING INDEX LOCAL
)
PARTITION BY RANGE ("TIMESTAMP") INTERVAL (NUMTODSINTERVAL(1, 'DAY'))
(PARTITION p_first VALUES LESS THAN (TIMESTAMP '2026-01-01 00:00:00'));
-- Optional: an index on the time alone, for reports on all tags of a period. Every session inserts into its last block,
-- the right-hand one, and they wait for each other there (buffer busy waits; on RAC, gc buffer busy). The primary key
-- begins with the tag, so its inserts are spread.
-- CREATE INDEX "IX_TAG_DATA_TIME" ON "TAG_DATA" ("TIMESTAMP") LOCAL;
