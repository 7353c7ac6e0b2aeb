;; Has a function with 100,000 locals.
;;
;; request: load
;; status: 400
;; error: too many locals

(func $hostile (result i32)
  (local @{100000 i64 })
  unreachable)
