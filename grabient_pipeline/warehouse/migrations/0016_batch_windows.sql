-- How long a batch may take is chosen for each batch where the provider allows that, so the batch says it.

ALTER TABLE tag_batches ADD COLUMN window_hours INTEGER;
COMMENT ON COLUMN tag_batches.window_hours IS
    'After so many hours its provider ends it; null for direct calls, and for older batches: 48 at Google, else 24';

CREATE TABLE account_windows (
    provider     VARCHAR PRIMARY KEY,
    window_hours INTEGER NOT NULL,
    set_at       TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE account_windows IS 'What a person said of how long the batches of a provider may take';
COMMENT ON COLUMN account_windows.provider IS 'The provider';
COMMENT ON COLUMN account_windows.window_hours IS 'Future batches end after so many hours';
COMMENT ON COLUMN account_windows.set_at IS 'When that was said';
