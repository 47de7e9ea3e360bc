"""csv_sink: keeps tag values in CSV files that read back exactly."""
