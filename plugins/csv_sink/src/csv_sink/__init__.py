"""csv_sink: keeps tag values in CSV files that are read back exactly."""
