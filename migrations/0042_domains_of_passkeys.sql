-- The domain (RP_ID) that a passkey was added for, under which alone it can be used. Null where it is not
-- known: the passkey is from before, or an older version has added it. Its next use tells.
alter table passkeys add column rp_id text;
