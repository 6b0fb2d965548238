-- Calls abandoned in a queue, per queue and five minutes, by the time they entered it.
WITH newest AS (
  SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY `id` ORDER BY `revision` DESC) AS nth FROM conversations) WHERE nth = 1
)
SELECT
  TIMESTAMPADD(MINUTE, -CAST(MOD(EXTRACT(MINUTE FROM d.enterTime), 5) AS INT), FLOOR(d.enterTime TO MINUTE)) AS five_minutes,
  d.queueId,
  MAX(d.queueName) AS queueName,
  COUNT(*) AS abandoned
FROM newest AS c CROSS JOIN UNNEST(c.destinations) AS d
WHERE c.kind = 'contact' AND c.finalStatus = 'USER ABANDONED'
  AND d.destinationType = 'QueueEntry' AND d.agent IS NULL
GROUP BY
  TIMESTAMPADD(MINUTE, -CAST(MOD(EXTRACT(MINUTE FROM d.enterTime), 5) AS INT), FLOOR(d.enterTime TO MINUTE)),
  d.queueId;
