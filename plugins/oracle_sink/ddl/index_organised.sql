-- The primary key is the table, and each block stores a tag name once: about half the space. Rows that are inserted
-- out of order (by a replay) cost more than in the plain table.
--
-- The agent's account then needs: GRANT SELECT, INSERT ON TAG_DATA TO <account>; (also UPDATE with
-- on_conflict: update)
CREATE TABLE "TAG_DATA" (
    "TAG_NAME" VARCHAR2(100 CHAR) NOT NULL,
    "TAG_VALUE" VARCHAR2(255 CHAR) NOT NULL,
    "TIMESTAMP" TIMESTAMP(6) NOT NULL,
    "QUALITY" VARCHAR2(20) NOT NULL,
    CONSTRAINT "PK_TAG_DATA" PRIMARY KEY ("TAG_NAME", "TIMESTAMP")
)
ORGANIZATION INDEX COMPRESS 1;
CREATE INDEX "IX_TAG_DATA_TIME" ON "TAG_DATA" ("TIMESTAMP");
