-- What somebody wrote outlives them: no foreign key to users, and their name beside it.
create table posts (
    id uuid primary key not null,
    author_id uuid not null,
    author text not null,
    author_key text not null,
    title text not null,
    url text,
    text text,
    -- Kept by whoever adds or removes a comment or vote, in the same transaction.
    comment_count bigint not null default 0,
    vote_count bigint not null default 0,
    created_at timestamptz not null
);

create index posts_by_author on posts (author_key, id);

create table comments (
    id uuid primary key not null,
    post_id uuid not null references posts (id) on delete cascade,
    author_id uuid not null,
    author text not null,
    text text not null,
    created_at timestamptz not null
);

create index comments_by_post on comments (post_id, id);

create table votes (
    post_id uuid not null references posts (id) on delete cascade,
    user_id uuid not null,
    primary key (post_id, user_id)
);

-- The posts that a visitor has opened; gone with the visitor's session.
create table free_reads (
    visitor_id uuid not null references sessions (public_id) on delete cascade,
    post_id uuid not null references posts (id) on delete cascade,
    read_at timestamptz not null,
    primary key (visitor_id, post_id)
);

create index free_reads_by_post on free_reads (post_id);
