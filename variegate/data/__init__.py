"""Rows in and out: file kinds, schemas, and the record that every schema is read into."""
