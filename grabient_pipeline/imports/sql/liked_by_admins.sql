-- SQLite, on the site's own database: the distinct palettes that users with the role admin like. A palette's id is its seed.
SELECT DISTINCT likes.palette_id
FROM likes
JOIN auth_user ON auth_user.id = likes.user_id
WHERE auth_user.role = 'admin'
