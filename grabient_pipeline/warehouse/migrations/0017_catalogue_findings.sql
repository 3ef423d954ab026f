-- What the providers and the price list said of the models in the catalogue when they were last asked.

CREATE TABLE catalogue_findings (
    source                 VARCHAR NOT NULL,
    model                  VARCHAR NOT NULL,
    checked_at             TIMESTAMPTZ NOT NULL,
    is_listed              BOOLEAN,
    ends_on                DATE,
    unreadable_end         VARCHAR,
    is_deprecated          BOOLEAN NOT NULL,
    is_retired             BOOLEAN NOT NULL,
    takes_batches          BOOLEAN,
    input_usd_per_million  DOUBLE,
    output_usd_per_million DOUBLE,
    PRIMARY KEY (source, model)
);
COMMENT ON TABLE catalogue_findings IS
    'What was found about each model of the catalogue at the newest check of each source; see grabient models --check';
COMMENT ON COLUMN catalogue_findings.source IS
    'A provider, for its list of models; a provider''s SDK, for the ends that it knows of; or the price list';
COMMENT ON COLUMN catalogue_findings.model IS 'The model, as provider/id';
COMMENT ON COLUMN catalogue_findings.checked_at IS 'When the source was asked';
COMMENT ON COLUMN catalogue_findings.is_listed IS 'Whether the list has the model; null if the source is no list';
COMMENT ON COLUMN catalogue_findings.ends_on IS 'The day on which requests begin to fail, as far as the source names one';
COMMENT ON COLUMN catalogue_findings.unreadable_end IS 'What the source names instead of a day';
COMMENT ON COLUMN catalogue_findings.is_deprecated IS 'Whether the source says that the model ends';
COMMENT ON COLUMN catalogue_findings.is_retired IS 'Whether the source says that the model cannot be called any more';
COMMENT ON COLUMN catalogue_findings.takes_batches IS 'Whether it takes batches; null if the source does not say';
COMMENT ON COLUMN catalogue_findings.input_usd_per_million IS
    'The standard price of a million input tokens in US dollars; null if the source is no price list or lacks the model';
COMMENT ON COLUMN catalogue_findings.output_usd_per_million IS 'The same of a million output tokens';
