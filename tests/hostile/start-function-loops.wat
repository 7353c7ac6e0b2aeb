;; Loops in its module's start function, which runs in each instance before any export.
;;
;; request: load
;; status: 400
;; error: --start-ms
;; serve: --start-ms=1000

(start $begin)
(func $begin
  (loop $again (br $again)))
