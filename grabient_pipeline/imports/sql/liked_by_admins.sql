-- SQLite, on the site's own database: the distinct palettes that admins like. The id of a palette is its seed.
SELECT DISTINCT likes.palette_id
FROM likes
JOIN auth_user ON auth_user.id = likes.user_id
WHERE auth_user.role = 'admin'
