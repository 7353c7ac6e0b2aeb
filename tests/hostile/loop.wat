;; Loops without an end.
;;
;; request: read harm
;; status: 500
;; error: guest hostile
;; error: --cpu-ms
;; serve: --cpu-ms=100

(func $hostile (result i32)
  (loop $again (br $again))
  unreachable)
