-- Of the sources in the frame checked, everything that they said before.
DELETE FROM catalogue_findings WHERE source IN (SELECT source FROM checked)
