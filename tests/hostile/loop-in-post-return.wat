;; Answers, and loops when the host lets it clean up after the answer was copied.
;;
;; request: read harm
;; status: 500
;; error: --cpu-ms
;; serve: --cpu-ms=100

(global $armed (mut i32) (i32.const 0))
(func $post (param $answer i32)
  (if (global.get $armed)
    (then (loop $again (br $again)))))

(func $hostile (result i32)
  (global.set $armed (i32.const 1))
  (call $benign))
