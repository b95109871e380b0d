-- How a robot is spoken to. Until now every robot was an OT-2.

ALTER TABLE robots ADD COLUMN kind TEXT NOT NULL DEFAULT 'ot2';
