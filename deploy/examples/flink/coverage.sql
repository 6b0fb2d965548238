-- Through when everything that the service showed is in the topics; late are the rows that it showed only afterwards.
SELECT accountId, selection, COUNT(*) AS commits, SUM(published) AS published, SUM(late) AS late,
  MIN(completeFrom) AS completeFrom, MAX(completeThrough) AS completeThrough,
  MAX(completeThrough) > MIN(completeFrom) AS complete
FROM progress
GROUP BY accountId, selection;
