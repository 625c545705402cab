module socklet

go 1.24
