-- Only for a table without a key, with watermark: TAGFERRY_WATERMARK in the sink's config. It has one row per agent,
-- sink and worker, each changed once per batch in the same transaction as the records. The agent creates the rows. A
-- row may be deleted when its agent no longer exists, never while one runs or has backup files to replay.
--
-- The agent's account then needs: GRANT SELECT, INSERT, UPDATE ON TAGFERRY_WATERMARK TO <account>;
CREATE TABLE "TAGFERRY_WATERMARK" (
    "WRITER" VARCHAR2(400 CHAR) NOT NULL,
    "TOKEN" VARCHAR2(1000) NOT NULL,
    "WRITTEN_AT" TIMESTAMP(6) WITH TIME ZONE NOT NULL,
    CONSTRAINT "PK_TAGFERRY_WATERMARK" PRIMARY KEY ("WRITER")
);
