-- How people come to an account by themselves: invitations, one-time links, requests that wait for an administrator; and
-- the mails that tell of them. No secret is here but as a hash: a mail's link is made when it is sent.

CREATE TABLE invitations (
    id {uuid} NOT NULL PRIMARY KEY,
    -- The one address that may use it; nothing for whoever has the link.
    email TEXT,
    role TEXT NOT NULL,
    quota INTEGER NOT NULL CHECK (quota >= 0),
    uses INTEGER NOT NULL,
    uses_left INTEGER NOT NULL CHECK (uses_left >= 0),
    created_at {time} NOT NULL,
    expires_at {time} NOT NULL
) {strict};
CREATE INDEX invitations_expired ON invitations (expires_at);
CREATE INDEX invitations_of_email ON invitations (email);

CREATE TABLE account_links (
    -- SHA-256 of the secret, which nobody has but whoever was given the link.
    hash TEXT NOT NULL PRIMARY KEY,
    purpose TEXT NOT NULL,
    -- By purpose: whose password it sets, the invitation it is for, or the address that it proves.
    user_id {uuid} REFERENCES users (id),
    invitation_id {uuid} REFERENCES invitations (id),
    email TEXT,
    created_at {time} NOT NULL,
    expires_at {time} NOT NULL
) {strict};
CREATE INDEX account_links_of_user ON account_links (user_id);
CREATE INDEX account_links_of_invitation ON account_links (invitation_id);
CREATE INDEX account_links_of_email ON account_links (email);
CREATE INDEX account_links_expired ON account_links (expires_at);

-- Whose address is proven, and who wait for an administrator.
CREATE TABLE registrations (
    id {uuid} NOT NULL PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    hashed_password TEXT NOT NULL,
    created_at {time} NOT NULL
) {strict};

-- A mail that is sent is deleted.
CREATE TABLE mails (
    id {uuid} NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    email TEXT NOT NULL,
    invitation_id {uuid} REFERENCES invitations (id),
    created_at {time} NOT NULL,
    -- When it is tried next; nothing once it is given up.
    due_at {time},
    attempts INTEGER NOT NULL,
    -- Why the last attempt failed.
    failure TEXT
) {strict};
CREATE INDEX mails_due ON mails (due_at);
-- What failed, for administrators to see.
CREATE INDEX mails_failed ON mails (id) WHERE failure IS NOT NULL;
CREATE INDEX mails_of_email ON mails (email);
CREATE INDEX mails_of_invitation ON mails (invitation_id);

-- Who administers the lab is asked before somebody stops doing so.
CREATE INDEX users_of_role ON users (role, id);
