"""The neutral form that each API is read into and written from."""
