;; Aborts, as a panic does.
;;
;; request: read harm
;; status: 500
;; error: it aborted

(func $hostile (result i32)
  unreachable)
