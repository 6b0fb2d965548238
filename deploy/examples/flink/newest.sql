-- The newest state of every conversation: one row for each id. A contact whose supersedes is not NULL grew out of the bot
-- session with that id: to count conversations, leave that one out.
WITH newest AS (
  SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY `id` ORDER BY `revision` DESC) AS nth FROM conversations) WHERE nth = 1
)
SELECT `id`, `revision`, `kind`, `channel`, `finalStatus`, `supersedes`, `sessionStartTime`, `sessionEndTime`,
  CARDINALITY(`destinations`) AS transfers, `unmapped`['/sentimentScore'] AS sentimentScore
FROM newest;
