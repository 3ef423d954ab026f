-- The panel that a person has chosen, and what an order knows of places and of earlier answers.

CREATE TABLE panel_places (
    position INTEGER PRIMARY KEY,
    model    VARCHAR NOT NULL UNIQUE
);
COMMENT ON TABLE panel_places IS 'The places of the panel that a person has chosen; empty if the default panel answers';
COMMENT ON COLUMN panel_places.position IS 'The position of the place, from 1';
COMMENT ON COLUMN panel_places.model IS
    'The model that has the place first, as provider/model; when it has ended, a successor answers';

ALTER TABLE orders ADD COLUMN ask_again BOOLEAN DEFAULT false;
COMMENT ON COLUMN orders.ask_again IS
    'Whether it also asks for what ended models, other refiners or older prompts have answered';
ALTER TABLE order_parts ADD COLUMN place VARCHAR;
COMMENT ON COLUMN order_parts.place IS
    'The model whose place this one has taken, as provider/model: what ended models answered for it is not asked again';

CREATE VIEW model_places AS
SELECT provider, model, arg_max(place, order_number) AS place
FROM order_parts
WHERE place IS NOT NULL
GROUP BY provider, model;
COMMENT ON VIEW model_places IS 'The models that have answered in the place of another one, by the newest order';
COMMENT ON COLUMN model_places.provider IS 'The provider';
COMMENT ON COLUMN model_places.model IS 'The model''s id at the provider';
COMMENT ON COLUMN model_places.place IS 'The model whose place it has taken, as provider/model';

ALTER TABLE model_scorecard ADD COLUMN place VARCHAR;
COMMENT ON COLUMN model_scorecard.place IS 'The model whose place it has taken, as provider/model; null if it has taken none';
