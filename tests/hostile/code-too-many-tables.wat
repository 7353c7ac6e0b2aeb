;; Has 100 tables.
;;
;; request: load
;; status: 400
;; error: defined tables count of 100 exceeds

@{100 (table 1000 funcref)}
