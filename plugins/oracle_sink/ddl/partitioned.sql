-- One partition per day, created by the database as rows arrive; recommended for large volumes. Needs the Partitioning
-- option (included in the Free and Express editions). Days that are no longer needed are dropped in an instant:
--   ALTER TABLE TAG_DATA DROP PARTITION FOR (TIMESTAMP '2026-03-01 00:00:00');
--
-- The agent's account then needs: GRANT SELECT, INSERT ON TAG_DATA TO <account>; (also UPDATE with
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
