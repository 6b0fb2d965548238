-- How long each agent handled conversations: talk and hold, and the work after it, in seconds.
WITH newest AS (
  SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY `id` ORDER BY `revision` DESC) AS nth FROM conversations) WHERE nth = 1
)
SELECT
  d.agent.agentId AS agentId,
  MAX(d.agent.name) AS name,
  COUNT(*) AS handled,
  SUM(d.agent.interactionDuration) AS interaction,
  SUM(COALESCE(d.agent.afterCallWorkDuration, 0)) AS after_call_work,
  AVG(d.agent.interactionDuration + COALESCE(d.agent.afterCallWorkDuration, 0)) AS average_handling
FROM newest AS c CROSS JOIN UNNEST(c.destinations) AS d
WHERE d.agent.interactionDuration IS NOT NULL -- NULL while it goes on
GROUP BY d.agent.agentId;
