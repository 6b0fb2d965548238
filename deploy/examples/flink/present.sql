-- Read what is there now and end. Without this a query follows the topics for ever, and its rows change as they do.
SET 'execution.runtime-mode' = 'batch';
ALTER TABLE conversations SET ('scan.bounded.mode' = 'latest-offset');
ALTER TABLE progress SET ('scan.bounded.mode' = 'latest-offset');
