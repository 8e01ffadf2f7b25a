"""Files of rows, XLSX and CSV, that people send us and take from us: one reader and one writer for all of them."""
