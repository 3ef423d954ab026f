-- The tag fields as a type of this connection. It sorts and encodes a field by its place in the vocabulary.
-- Parameters: fields.
CREATE OR REPLACE TEMP TYPE tag_field AS ENUM (SELECT unnest($fields))
