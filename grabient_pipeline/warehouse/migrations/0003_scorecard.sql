-- Which of the tagging models are worth their money.

CREATE TABLE model_scorecard (
    provider               VARCHAR NOT NULL,
    model                  VARCHAR NOT NULL,
    prompt_version         VARCHAR NOT NULL,
    requests               BIGINT NOT NULL,
    usable                 BIGINT NOT NULL,
    usable_share           DOUBLE,
    failure_reasons        STRUCT(reason VARCHAR, requests BIGINT)[] NOT NULL,
    temperature_agreement  DOUBLE,
    contrast_agreement     DOUBLE,
    brightness_agreement   DOUBLE,
    saturation_agreement   DOUBLE,
    measured_agreement     DOUBLE,
    alpha_with_others      DOUBLE,
    alpha_without          DOUBLE,
    alpha_of_all           DOUBLE,
    mood_overlap           DOUBLE,
    style_overlap          DOUBLE,
    associations_overlap   DOUBLE,
    open_overlap           DOUBLE,
    winners_changed        DOUBLE,
    top_tags_changed       DOUBLE,
    quality                DOUBLE,
    efficient              BOOLEAN NOT NULL,
    input_tokens           BIGINT NOT NULL,
    output_tokens          BIGINT NOT NULL,
    cost_usd               DOUBLE NOT NULL,
    cost_per_usable_usd    DOUBLE,
    median_hours           DOUBLE,
    p90_hours              DOUBLE,
    scored_at              TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (provider, model)
);
COMMENT ON TABLE model_scorecard IS 'A tagging model a row, over its answers to the newest tagging prompt: how good it is, and what it costs';
COMMENT ON COLUMN model_scorecard.provider IS 'Who was asked';
COMMENT ON COLUMN model_scorecard.model IS 'The models id at the provider';
COMMENT ON COLUMN model_scorecard.prompt_version IS 'The newest tagging prompt with answers; the same for all, so that they can be compared';
COMMENT ON COLUMN model_scorecard.requests IS 'Requests that came to something, good or bad, every attempt counted';
COMMENT ON COLUMN model_scorecard.usable IS 'Those whose answer could be used';
COMMENT ON COLUMN model_scorecard.usable_share IS 'usable / requests';
COMMENT ON COLUMN model_scorecard.failure_reasons IS 'Why the others could not be used, the most frequent first';
COMMENT ON COLUMN model_scorecard.temperature_agreement IS 'Share of usable answers that say the measured temperature';
COMMENT ON COLUMN model_scorecard.contrast_agreement IS 'Share of usable answers that say the measured contrast';
COMMENT ON COLUMN model_scorecard.brightness_agreement IS 'Share of usable answers that say the measured brightness';
COMMENT ON COLUMN model_scorecard.saturation_agreement IS 'Share of usable answers that say the measured saturation';
COMMENT ON COLUMN model_scorecard.measured_agreement IS 'The mean of the four';
COMMENT ON COLUMN model_scorecard.alpha_with_others IS 'Krippendorffs alpha (nominal) with each other model on the attributes, on average; 1 is agreement, 0 is chance';
COMMENT ON COLUMN model_scorecard.alpha_without IS 'Krippendorffs alpha of all other models among themselves';
COMMENT ON COLUMN model_scorecard.alpha_of_all IS 'Krippendorffs alpha of all models; above alpha_without, this model brings them together';
COMMENT ON COLUMN model_scorecard.mood_overlap IS 'Of the other models the share that also says a mood of its, on average over its moods';
COMMENT ON COLUMN model_scorecard.style_overlap IS 'The same of its styles';
COMMENT ON COLUMN model_scorecard.associations_overlap IS 'The same of its associations';
COMMENT ON COLUMN model_scorecard.open_overlap IS 'The mean of the three';
COMMENT ON COLUMN model_scorecard.winners_changed IS 'Share of palettes attributes whose winner is another without this model';
COMMENT ON COLUMN model_scorecard.top_tags_changed IS 'How much of the most voted moods, styles and associations changes without it: 1 - Jaccard index, on average';
COMMENT ON COLUMN model_scorecard.quality IS 'The mean of measured_agreement and open_overlap: right where it can be measured, understood where it cannot';
COMMENT ON COLUMN model_scorecard.efficient IS 'No other model has a better quality for less a usable answer';
COMMENT ON COLUMN model_scorecard.input_tokens IS 'Over all attempts';
COMMENT ON COLUMN model_scorecard.output_tokens IS 'Over all attempts; hidden reasoning counts';
COMMENT ON COLUMN model_scorecard.cost_usd IS 'What all attempts cost, at the batch price of their day';
COMMENT ON COLUMN model_scorecard.cost_per_usable_usd IS 'cost_usd / usable';
COMMENT ON COLUMN model_scorecard.median_hours IS 'How long its batches took at the provider';
COMMENT ON COLUMN model_scorecard.p90_hours IS 'The 90th percentile of that';
COMMENT ON COLUMN model_scorecard.scored_at IS 'When this was worked out';
