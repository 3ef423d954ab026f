"""Coming from the earlier system, which kept its tags in Convex.

archive.py     an export, zipped or unpacked: its tables as lines, and what is refused
names.py       which provider and model is meant
documents.py   a document as a row of ours, or the reason why it is none
importing.py   the tables in order, a piece a transaction; it goes on where it was killed
run_numbers.py the three migrations of answers with the legacy runNumber
adopted.py     batches that were under way when the export was made
report.py      what became of it all
"""
