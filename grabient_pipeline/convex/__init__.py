"""The migration from the earlier system, which kept its tags in Convex. Everything about it is in this package.

archive.py          the export, zipped or unpacked: its tables as lines
model_names.py      the models that old names mean
documents.py        a document of the export into a row, or the reason why it is rejected
rows.py             the rows, and their frames
chunk.py            rows and rejected documents of one transaction
table_writers.py    the rows of each table into the database
answers.py          imported answers into the ledger
importer.py         the tables in order, chunk by chunk; resumes an interrupted import
report.py           the result of an import
run_numbers.py      the migrations of answers with the legacy runNumber
adopted_batches.py  batches that were in progress when the export was made
cli.py, defs.py     the commands and the Dagster jobs
"""
