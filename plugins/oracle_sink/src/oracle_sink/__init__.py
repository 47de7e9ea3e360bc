"""oracle_sink: writes tag values into an Oracle table with array DML; each record has its own outcome."""
