"""oracle_sink: writes tag values into an Oracle table with array DML; each row has an outcome of its own."""
