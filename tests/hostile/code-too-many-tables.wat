;; Has 100 tables.
;;
;; request: load
;; status: 400
;; error: table

@{100 (table 1000 funcref)}
