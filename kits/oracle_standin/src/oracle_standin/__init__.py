"""A stand-in for Oracle Database: it speaks TNS/TTC to the unmodified driver. It is not Oracle.

Start it with ``python -m oracle_standin --help``; tests use :class:`oracle_standin.process.Standin`.
"""
