-- Palettes with a consensus that counts, their average models and answers, and the average share of the winning value
-- of each attribute.
SELECT
    count(*) AS palettes,
    avg(total_models) AS models,
    avg(total_analyses) AS analyses,
    avg(temperature[1].share) AS temperature,
    avg(contrast[1].share) AS contrast,
    avg(brightness[1].share) AS brightness,
    avg(saturation[1].share) AS saturation
FROM current_consensus
