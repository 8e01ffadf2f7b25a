-- Rows that the release before has written since 005 have no number yet. When it is gone, no further ones come.
SELECT number_requests();
DROP FUNCTION number_requests();
