create table profiles (
    user_id uuid primary key not null,
    motto text not null
);
