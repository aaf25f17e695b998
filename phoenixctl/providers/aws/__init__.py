"""Provider `aws`: the nodes of a pool are EC2 instances.

One request makes one instance, or none, whatever breaks in between:

1. Instances are tagged in the call that makes them with fleet, pool, node, operation and lineage,
   so that whoever comes after a crash finds them (`listing`).
2. Each RunInstances has a token made of lineage, operation, node, zone, type, market and attempt
   (`tokens`); EC2 makes at most one instance for a token. It is in the journal before the call.
3. After a crash the instance is looked up by its tags, and when EC2 shows none, the same token is
   sent again: EC2 either makes the instance now or says that it has made it (`attempts`).

The first login is verified: the host key is made on the operator's side and travels in the
user-data (`user_data`). Its private half is kept nowhere, so a run that goes on after a crash
cannot send the same user-data again. It need not: a token that EC2 knows, with other user-data, is
refused as IdempotentParameterMismatch, which proves that the instance exists; it is then waited
for, and the public half of its key is read back from the user-data it was made with (`arrival`).
A key derived from the token instead could be computed by everyone who can read tags.
"""
