-- Days of the past in which minutes were written or corrected, noted when the aggregates show it and taken away by whoever fills the
-- analytics. Changes count: one that comes while a day is copied is not forgotten with it.
CREATE TABLE IF NOT EXISTS changed_days (
  day DATE PRIMARY KEY,
  changes BIGINT NOT NULL DEFAULT 1
);
