-- Every column of every revision, with the record's key, headers and place.
SELECT * FROM conversations;
