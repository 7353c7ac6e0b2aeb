;; Loops in `describe`, before there is a mount.
;;
;; request: load
;; status: 400
;; error: --start-ms
;; serve: --start-ms=1000

(func $describe (result i32)
  (loop $again (br $again))
  unreachable)
