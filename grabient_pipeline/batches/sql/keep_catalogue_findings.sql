-- The frame checked has what the sources said now.
INSERT INTO catalogue_findings BY NAME SELECT * FROM checked
