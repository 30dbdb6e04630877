"""Commands of an operator: database, evidence, servers, worker."""
